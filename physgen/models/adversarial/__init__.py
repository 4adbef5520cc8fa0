"""Generators that only draw, and the critics that they are trained against."""
