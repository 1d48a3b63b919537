"""One file per family of questions: from prepared columns to a frozen result."""
