"""What is written of a call, how is it chained and signed, and does a chain hold?"""
