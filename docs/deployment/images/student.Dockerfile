# What students work in: the package `course`, JupyterLab, PyTorch for the CPU, nbgrader's student side. The COPY
# lines are all that comes from the repository, and a test looks for secrets in them. In the repository's root:
#
#   docker build -f docs/deployment/images/student.Dockerfile -t YOUR-REGISTRY/diffusion-student:2026.1 .
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

# What pip is asked for to get PyTorch, and the major version of JupyterHub that the hub runs.
ARG TORCH="torch --index-url https://download.pytorch.org/whl/cpu"
ARG JUPYTERHUB="jupyterhub>=5.4,<6"

# libnss-extrausers: names for the numbers that pods run under (account.sh). It takes no number below 500.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends libnss-extrausers \
  && rm -rf /var/lib/apt/lists/* \
  && sed -i 's/^passwd:.*/passwd: extrausers files/' /etc/nsswitch.conf \
  && mkdir -p /var/lib/extrausers /home/jovyan \
  && chmod 0777 /var/lib/extrausers /home/jovyan

WORKDIR /opt/course
COPY constraints.txt ./
RUN pip install --no-cache-dir --no-deps --constraint constraints.txt ${TORCH}
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY course ./course
COPY exercises ./exercises
RUN pip install --no-cache-dir --constraint constraints.txt ".[lab]" nbgrader \
  && pip install --no-cache-dir "${JUPYTERHUB}"

COPY docs/deployment/images/student /opt/jupyter
COPY docs/deployment/images/account.sh /usr/local/bin/account

ENV HOME=/home/jovyan \
  JUPYTER_CONFIG_PATH=/opt/jupyter \
  OMP_NUM_THREADS=2
WORKDIR /home/jovyan
# Without Kubernetes an account that is nobody's; there each pod has its own number.
USER 65534:100
ENTRYPOINT ["account"]
CMD ["jupyterhub-singleuser"]
