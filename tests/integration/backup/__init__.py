"""Does the log come back when everything is lost, and does nothing that it has forgotten happen twice?"""
