"""The numbered changes of the schema, shipped with the program and applied when a database is opened."""
