"""
The directory in memory, loaded from snapshots and kept current from the change log.

    schema        the version of the index entries
    conversions   how each FHIR type is read for each type of search parameter
    extract       the index entries of one resource
    content       the words of one resource
    bitmaps       numpy arrays to bitmaps
    columns/      one column for each search parameter
    masks         what each access profile sees of a segment
    segment       an immutable index of a set of resources
    segment_file  the file of a segment
    view          the directory at one moment
    index         the current view, and how it follows the store
    garbage       fewer garbage-collection passes during bulk allocation
"""
