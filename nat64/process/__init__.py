"""A daemon as a process: its log, readiness, detaching, privileges and pid file. Both daemons use it alike."""
