"""One network, 5 convolutions and 3 dense layers as `cnn8`, written in five libraries, and how fast each trains."""
