"""What leaves the house: the students' bundle, zips for other graders, and the search for secrets in both."""
