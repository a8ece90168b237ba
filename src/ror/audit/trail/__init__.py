"""
The files of the audit trail.

    folder      the folder: its files, its keys, its lock
    chain_file  one file, written by one process
    writing     handing records over, and the thread that writes them
    tending     the end of a day: sealing, signing, retention
    reading     finding records
    verifying   checking a whole trail
"""
