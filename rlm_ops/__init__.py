"""The pure floor: events, structure, operators, strategies, budget, verifiers, formulas; no models, graphs or I/O."""
