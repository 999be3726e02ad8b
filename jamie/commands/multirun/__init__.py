"""What commands of many runs share: their plan, the workers that do them, tables and figures over all of them."""
