"""SASL mechanisms for the Bind operation."""
