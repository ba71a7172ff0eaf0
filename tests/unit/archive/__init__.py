"""Is an archive's file what it says, whatever happens to it?"""
