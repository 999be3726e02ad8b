"""The clauses of each kind's contract, a file for each kind, named as the kind; `general` holds for all."""
