"""Networks of ensembles: layers, random generators, batch-invariant products, precision."""
