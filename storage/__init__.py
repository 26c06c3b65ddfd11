"""What is remembered: tables and queries, knowing no engine and no chat."""
