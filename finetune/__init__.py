"""How the models get better: data sets, training, evaluation. Of these, evaluation stands so far."""
