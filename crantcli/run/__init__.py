"""The one way of a question, for shell, Python and servers alike: opened, answered, recorded, passed on."""
