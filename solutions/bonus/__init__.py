"""An answer to each bonus task, a file a module. Nothing is graded with them; stubs are cut out of them."""
