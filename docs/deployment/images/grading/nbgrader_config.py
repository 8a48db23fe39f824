# nbgrader's configuration where it grades; each course directory has one of its own as well, which
# `autograder nbgrader init` writes.
c = get_config()

c.Exchange.root = "/srv/nbgrader/exchange"
c.Exchange.path_includes_course = True
# Students' pods run under the numbers that ../../kubernetes/jupyterhub_config.py makes from their names.
c.CollectOwned.numbered_accounts = True
# Whom formgrader's "Manage students" adds gets into the hub's group, and so into the course.
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"
