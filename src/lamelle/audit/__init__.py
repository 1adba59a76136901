"""The audit ledger: who did what to whose images, why, from where, and how it ended; append-only and chained."""
