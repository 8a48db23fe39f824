# nbgrader's configuration in students' pods.
c = get_config()

c.CourseDirectory.course_id = "diffusion"
c.Exchange.root = "/srv/nbgrader/exchange"
c.Exchange.path_includes_course = True
# Who may fetch what is in the hub's groups, which this asks the hub for.
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"
# For Validate: some demos train.
c.Execute.timeout = 600
