"""The kinds of scorers: one module each, all of them `reflectree.models.scoring.items.Scorer`."""
