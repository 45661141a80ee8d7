"""The engine behind the isolation tests: two organizations that look alike, and everybody who must not look inside."""
