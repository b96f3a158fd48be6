"""An update of one weight matrix, cut to a rank and scaled: notebooks 01 to 05."""
