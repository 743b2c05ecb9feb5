"""`idroserra doctor`: checks of an installation."""
