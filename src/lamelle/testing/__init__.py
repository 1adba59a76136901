"""What others need to test against us: contract suites, factories."""
