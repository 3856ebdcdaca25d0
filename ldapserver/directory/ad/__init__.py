"""Active Directory's shapes: names, accounts, passwords, links and filters as domain controllers have them.

Everything here is a function of plain values. Who keeps entries decides when to ask.
"""
