"""The rules of members and their enrolments, no I/O."""
