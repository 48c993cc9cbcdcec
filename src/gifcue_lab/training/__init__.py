"""Dataset ► training ► evaluation ► export."""
