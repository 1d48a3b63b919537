"""From a researcher's file to tidy, trusted sessions."""
