"""How a recommendation is made: knowing no user database and no chat."""
