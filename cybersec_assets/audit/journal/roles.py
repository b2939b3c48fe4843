"""Who may do what in the audit's database, where the migrations run as a role of their own.

    owner         cannot log in; owns tables, views and functions; each database has its own, as roles are the
                  whole server's, and only who made one may give it to others
    migrations    a member of the owner
    application   may read, and may execute the one function that appends

Where the migrations' role may not create roles it stays the owner itself; the application's rights are the same.
"""

import sqlalchemy as sa
from psycopg2.extensions import encrypt_password

LONGEST_NAME = 63
"""Bytes that PostgreSQL keeps of a role's name."""
APPEND = "audit_append(text, text, text, text, integer, bigint, jsonb)"
OURS = """
SELECT format('%s %I.%I', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v')
    AND (c.relname ~ '^audit_' OR c.relname ~ '_events$' OR c.relname = 'alembic_version')
UNION ALL
SELECT format('FUNCTION %s', p.oid::regprocedure) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND p.proname ~ '^audit_'
"""
"""What the migrations made, as the words that follow ALTER and GRANT … ON."""


def divide_rights(connection: sa.Connection, application: str, password: str | None) -> None:
    """Give the schema to the owner and its use to the application, making both roles where they are missing.

    Args:
        connection: As the migrations' role, in the transaction that migrated.
        application: The application's role.
        password: What it logs in with, for a role that is made here.
    """
    things = list(connection.execute(sa.text(OURS)).scalars())
    quote = connection.dialect.identifier_preparer.quote
    role = quote(application)
    if _may_create_roles(connection):
        name = owner_of(str(connection.engine.url.database))
        _create_roles(connection, name, application, password)
        owner = quote(name)
        connection.execute(sa.text(f"GRANT USAGE, CREATE ON SCHEMA public TO {owner}"))
        for thing in things:
            connection.execute(sa.text(f"ALTER {thing} OWNER TO {owner}"))
    connection.execute(sa.text(f"GRANT USAGE ON SCHEMA public TO {role}"))
    for thing in things:
        kind, name = thing.split(" ", 1)
        target = f"FUNCTION {name}" if kind == "FUNCTION" else name
        connection.execute(sa.text(f"REVOKE ALL ON {target} FROM PUBLIC, {role}"))
        if kind != "FUNCTION":
            connection.execute(sa.text(f"GRANT SELECT ON {target} TO {role}"))
    connection.execute(sa.text(f"GRANT EXECUTE ON FUNCTION public.{APPEND} TO {role}"))


def owner_of(database: str) -> str:
    """Name the role that owns the audit of a database."""
    return f"cybersec_audit_owner_{database}".encode()[:LONGEST_NAME].decode(errors="ignore")


def _may_create_roles(connection: sa.Connection) -> bool:
    query = "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
    return bool(connection.execute(sa.text(query)).scalar())


def _create_roles(connection: sa.Connection, owner: str, application: str, password: str | None) -> None:
    _create(connection, "CREATE ROLE %I NOLOGIN", owner)
    # From PostgreSQL 16 on, who makes a role may give it away, but may not yet act as it.
    right = "SET" if (connection.dialect.server_version_info or (0,)) >= (16,) else "MEMBER"
    if not connection.execute(sa.select(sa.func.pg_has_role(owner, right))).scalar():
        quoted = connection.dialect.identifier_preparer.quote(owner)
        connection.execute(sa.text(f"GRANT {quoted} TO CURRENT_USER"))
    if password is None:
        _create(connection, "CREATE ROLE %I LOGIN", application)
    else:
        # Sent as its hash: a statement may be written to the server's log.
        driver = connection.connection.driver_connection
        hashed = encrypt_password(password, application, driver, "scram-sha-256")
        _create(connection, "CREATE ROLE %I LOGIN PASSWORD %L", application, hashed)


def _create(connection: sa.Connection, statement: str, name: str, *more: str) -> None:
    """Make a role where it is missing; roles are the whole server's, so another database's migration may be first."""
    exists = sa.text("SELECT true FROM pg_roles WHERE rolname = :name")
    if connection.execute(exists, {"name": name}).scalar():
        return
    written = connection.execute(sa.select(sa.func.format(statement, name, *more))).scalar_one()
    try:
        with connection.begin_nested():
            connection.execute(sa.text(written.replace(":", r"\:")))
    except (sa.exc.IntegrityError, sa.exc.ProgrammingError):
        if not connection.execute(exists, {"name": name}).scalar():
            raise
