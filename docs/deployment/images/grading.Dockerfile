# What grades: the whole repository with hidden suites and solutions, nbgrader, bubblewrap, PostgreSQL's driver.
# Whoever can pull this image can read them: keep it in a registry that students have no right to. In the
# repository's root:
#
#   docker build -f docs/deployment/images/grading.Dockerfile -t YOUR-REGISTRY/diffusion-grading:2026.1 .
#
# For the profile with a GPU build it once more, with --build-arg TORCH=torch, as diffusion-grading-gpu.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

ARG TORCH="torch --index-url https://download.pytorch.org/whl/cpu"
ARG JUPYTERHUB="jupyterhub>=5.4,<6"

RUN apt-get update \
  && apt-get install --yes --no-install-recommends bubblewrap \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 1000 --gid 100 --create-home grader

# Outside Python's environment, which workers may read; they cannot read this.
WORKDIR /opt/diffusion-course
COPY constraints.txt ./
RUN pip install --no-cache-dir --no-deps --constraint constraints.txt ${TORCH}
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY course ./course
COPY exercises ./exercises
COPY solutions ./solutions
COPY autograder ./autograder
RUN pip install --no-cache-dir --constraint constraints.txt ".[lab]" "./autograder[nbgrader,postgresql]" \
  && pip install --no-cache-dir "${JUPYTERHUB}"

COPY docs/deployment/images/grading /opt/jupyter

ENV AUTOGRADER_COURSE_ROOT=/opt/diffusion-course \
  JUPYTER_CONFIG_PATH=/opt/jupyter
RUN install -d -o grader -g users /srv/course
WORKDIR /srv/course
USER 1000:100
CMD ["jupyterhub-singleuser"]
