"""Where are the lines of the audit trail kept, and is none missing?"""
