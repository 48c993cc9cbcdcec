"""Dataset ► training ► evaluation ► export: how the served detector is made. Nothing served imports this."""
