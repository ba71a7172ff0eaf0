"""Do the charts say what they should, before any Helm reads them?"""
