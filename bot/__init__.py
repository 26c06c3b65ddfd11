"""The processes: one adapter a platform, and the place where everything is wired."""
