"""Create databases and roles, and grant the rights to the audit's tables.

    owner         cannot log in; owns the audit's tables, views and functions. Each database has its own owner, because
                  roles are shared by the whole server and only the role that created one may grant it
    migrations    a member of the owner
    application   may read, and may execute the one function that appends

Where the migrations' role may not create roles, it is the owner itself; the application's rights are the same.

All functions take a psycopg2 cursor, so that they work within SQLAlchemy's transaction as well.
"""

from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password

LONGEST_NAME = 63
"""How many bytes of a role's name PostgreSQL keeps."""
APPEND = "audit_append(text, text, text, text, integer, bigint, jsonb)"
AUDIT_OBJECTS = """
SELECT format('%s %I.%I', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v')
    AND (c.relname ~ '^audit_' OR c.relname ~ '_events$' OR c.relname = 'alembic_version')
UNION ALL
SELECT format('FUNCTION %s', p.oid::regprocedure) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = 'public' AND p.proname ~ '^audit_'
"""
"""What the migrations created, as the words that follow ALTER and GRANT … ON."""
ROLE_EXISTS = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)"
DATABASE_EXISTS = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)"
MAY_CREATE_ROLES = "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
POSTGRESQL_16 = 160_000


def create_database(cursor: Any, name: str, owner: str | None = None) -> bool:
    """Create a database unless it exists.

    Args:
        cursor: A cursor in autocommit mode.
        name: The database.
        owner: The role that owns it, to which all rights are limited; the current role if it is not given.

    Returns:
        Whether it was created here.

    Raises:
        psycopg2.Error: The server does not allow it.
    """
    if _one(cursor, DATABASE_EXISTS, name):
        return False
    database = sql.Identifier(name)
    statement = sql.SQL("CREATE DATABASE {}").format(database)
    if owner is not None:
        # A role must be a member of the owner to create a database for it.
        _become_member(cursor, owner)
        statement += sql.SQL(" OWNER {}").format(sql.Identifier(owner))
    try:
        cursor.execute(statement)
    except psycopg2.Error:
        # Another process may have created it meanwhile.
        if not _one(cursor, DATABASE_EXISTS, name):
            raise
        return False
    if owner is not None:
        cursor.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    return True


def create_login(cursor: Any, name: str, password: str | None) -> None:
    """Create a role that may log in, unless it exists.

    Args:
        cursor: A cursor.
        name: The role.
        password: Its password; without one the server must authenticate the role in another way.
    """
    options = sql.SQL("LOGIN")
    if password is not None:
        # Only the hash is sent, because the server may write statements to its log.
        hashed = encrypt_password(password, name, cursor.connection, "scram-sha-256")
        options = sql.SQL("LOGIN PASSWORD {}").format(sql.Literal(hashed))
    _create_role(cursor, name, options)


def grant_audit_rights(cursor: Any, application: str, password: str | None) -> None:
    """Make the owner role the owner of the audit's schema, and let the application use it; create missing roles.

    Args:
        cursor: A cursor as the migrations' role, in the transaction that migrated.
        application: The application's role.
        password: Its password, for a role that is created here.
    """
    cursor.execute(AUDIT_OBJECTS)
    objects = [found for (found,) in cursor.fetchall()]
    role = sql.Identifier(application)
    if _one(cursor, MAY_CREATE_ROLES):
        name = owner_of(cursor.connection.info.dbname)
        owner = sql.Identifier(name)
        _create_role(cursor, name, sql.SQL("NOLOGIN"))
        _become_member(cursor, name)
        create_login(cursor, application, password)
        cursor.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(owner))
        for found in objects:
            cursor.execute(sql.SQL("ALTER {} OWNER TO {}").format(sql.SQL(found), owner))
    cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    for found in objects:
        kind, _, name = found.partition(" ")
        target = sql.SQL(found if kind == "FUNCTION" else name)
        cursor.execute(sql.SQL("REVOKE ALL ON {} FROM PUBLIC, {}").format(target, role))
        if kind != "FUNCTION":
            cursor.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(target, role))
    cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION public.{} TO {}").format(sql.SQL(APPEND), role))


def owner_of(database: str) -> str:
    """Return the name of the role that owns the audit of a database."""
    return f"cybersec_audit_owner_{database}".encode()[:LONGEST_NAME].decode(errors="ignore")


def _create_role(cursor: Any, name: str, options: sql.Composable) -> None:
    if _one(cursor, ROLE_EXISTS, name):
        return
    statement = sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), options)
    # Roles are shared by the whole server, so the migration of another database may create the role first.
    block = sql.SQL("BEGIN {}; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END").format(statement)
    cursor.execute(sql.SQL("DO {}").format(sql.Literal(block.as_string(cursor))))


def _become_member(cursor: Any, role: str) -> None:
    # From PostgreSQL 16 on, a role that created another may grant it, but is not allowed to act as it yet.
    right = "SET" if cursor.connection.server_version >= POSTGRESQL_16 else "MEMBER"
    if not _one(cursor, "SELECT pg_has_role(%s, %s)", role, right):
        cursor.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role)))


def _one(cursor: Any, query: str, *values: object) -> bool:
    cursor.execute(query, values or None)
    return bool(cursor.fetchone()[0])
