"""One server with an account of the system for each student: JupyterHub's systemd spawner.

Where The Littlest JupyterHub runs, this is /opt/tljh/config/jupyterhub_config.d/course.py; elsewhere
jupyterhub.service beside it starts a hub with it. To edit: COURSE, the two lists, and where things lie.
"""

import os

c = get_config()

COURSE = "diffusion"
INSTRUCTORS = ["irene", "ivan"]
STUDENTS = ["ada", "ben", "chloe"]

# The environment that students work in, and the one that grades, in a clone of the repository which students'
# accounts cannot read; the course directory, and the account whose it is.
STUDENTS_BIN = "/opt/diffusion-students/bin"
BIN = "/opt/diffusion-course/.venv/bin"
DIRECTORY = f"/srv/course/{COURSE}"
GRADER = "grader"
FORMGRADER_PORT = 9999

c.JupyterHub.spawner_class = "systemd"
c.JupyterHub.load_groups = {
    f"formgrade-{COURSE}": {"users": INSTRUCTORS},
    f"nbgrader-{COURSE}": {"users": STUDENTS},
}
c.JupyterHub.load_roles = [
    {
        "name": f"formgrade-{COURSE}",
        "scopes": [
            f"access:services!service={COURSE}",
            "list:services",
            f"read:services!service={COURSE}",
        ],
        "groups": [f"formgrade-{COURSE}"],
    },
    {
        "name": f"formgrader-{COURSE}",
        "scopes": ["list:groups", f"groups!group=nbgrader-{COURSE}"],
        "services": [COURSE],
    },
    {
        "name": "server",
        "scopes": [
            "users:activity!user",
            "access:servers!server",
            "read:users!user",
            "list:services",
            f"read:services!service={COURSE}",
        ],
    },
]
c.JupyterHub.services = [
    {
        "name": COURSE,
        "url": f"http://127.0.0.1:{FORMGRADER_PORT}",
        "command": [f"{BIN}/jupyterhub-singleuser", "--ServerApp.default_url=/lab"],
        "user": GRADER,
        "cwd": DIRECTORY,
        "environment": {
            "PATH": f"{BIN}:/usr/bin:/bin",
            "JUPYTERHUB_USER": COURSE,  # nbgrader asks for one
            "JUPYTER_CONFIG_PATH": "/etc/diffusion-course/grading",
            # From the unit's EnvironmentFile, which is root's; without it, gradebook.db in DIRECTORY.
            "AUTOGRADER_GRADEBOOK_URL": os.environ.get("AUTOGRADER_GRADEBOOK_URL", ""),
            "PGPASSWORD": os.environ.get("GRADEBOOK_PASSWORD", ""),
        },
        "oauth_no_confirm": True,
    }
]
if url := os.environ.get("JUPYTERHUB_DATABASE_URL"):
    c.JupyterHub.db_url = url

c.SystemdSpawner.cmd = [f"{STUDENTS_BIN}/jupyterhub-singleuser"]
c.SystemdSpawner.extra_paths = [STUDENTS_BIN]
c.SystemdSpawner.default_url = "/lab"
c.SystemdSpawner.environment = {"JUPYTER_CONFIG_PATH": "/etc/diffusion-course/student"}
c.SystemdSpawner.mem_limit = "3G"
c.SystemdSpawner.cpu_limit = 2
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.isolate_devices = True
c.SystemdSpawner.disable_user_sudo = True
c.SystemdSpawner.readonly_paths = ["/opt", "/etc"]
