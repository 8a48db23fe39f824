"""What values.yaml cannot say, since it depends on who starts a server. The hub loads it after its own.

A student's pod runs under a number made from the student's name, so that the exchange knows whose a file is.
An instructor may start a pod that grades on a GPU instead of an ordinary one.
"""

import hashlib

c = get_config()

COURSE = "diffusion"
GRADERS = f"formgrade-{COURSE}"
GRADER = 1000  # the account in the grading image: the course directory and the exchange are its


def account_of(name):
    """The number for a name: the rule of autograder/nbgrader/steps/accounts.py, which a test compares."""
    return (1 << 30) + int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % (1 << 30)


def is_instructor(spawner):
    return any(group.name == GRADERS for group in spawner.user.groups)


def profiles(spawner):
    """What may be chosen at the start of a server; students have no choice and see no page for it."""
    if not is_instructor(spawner):
        return []
    return [
        {
            "display_name": "As students have it",
            "slug": "student",
            "default": True,
        },
        {
            "display_name": "Grading with a GPU",
            "slug": "grading-gpu",
            "description": "In its terminal: cd /srv/course/diffusion, autograder nbgrader autograde NAME",
            "kubespawner_override": {
                "image": "registry.example.org/diffusion-grading-gpu:2026.1",
                "uid": GRADER,
                "extra_resource_limits": {"nvidia.com/gpu": "1"},
                "cpu_limit": 8,
                "mem_guarantee": "8G",
                "mem_limit": "32G",
                "volumes": [
                    *spawner.volumes,
                    {"name": "course", "persistentVolumeClaim": {"claimName": "course-diffusion"}},
                ],
                "volume_mounts": [
                    *spawner.volume_mounts,
                    {"name": "course", "mountPath": f"/srv/course/{COURSE}", "subPath": "directory"},
                ],
                "environment": {
                    **spawner.environment,
                    "AUTOGRADER_GRADEBOOK_URL": f"postgresql+psycopg://grader@postgresql/gradebook_{COURSE}",
                    "PGPASSWORD": {
                        "name": "PGPASSWORD",
                        "valueFrom": {
                            "secretKeyRef": {"name": "course-secrets", "key": "gradebook-password"}
                        },
                    },
                },
                "extra_labels": {**spawner.extra_labels, "diffusion/gradebook": "true"},
            },
        },
    ]


# The page on which a profile is chosen. It is empty, and so left out, where there is nothing to choose.
CHOICE = """\
{%- for profile in profile_list %}
<p><label>
  <input type="radio" name="profile" value="{{ profile.slug }}" {% if profile.default %}checked{% endif %}>
  <b>{{ profile.display_name }}</b> {{ profile.description }}
</label></p>
{%- endfor -%}
"""

c.KubeSpawner.uid = lambda spawner: account_of(spawner.user.name)
c.KubeSpawner.gid = 100
c.KubeSpawner.fs_gid = 100
c.KubeSpawner.profile_list = profiles
c.KubeSpawner.profile_form_template = CHOICE
c.KubeSpawner.pod_security_context = {"seccompProfile": {"type": "RuntimeDefault"}}
c.KubeSpawner.container_security_context = {"capabilities": {"drop": ["ALL"]}}
