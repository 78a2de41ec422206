"""Why does an autoencoder show the same mean image for so long?

Question: an autoencoder of sigmoids, 64-16-64 hidden units, learns the digits. It soon gives back the
mean of all images, whatever it is shown. When does it begin to tell one from the other, and is that
a matter of the start?
Reference: Baldi and Hornik (1989) and Saxe, McClelland and Ganguli (2014) for linear networks: what
varies most is learned first, and waits longer the smaller the start. Glorot and Bengio (2010) for
the plateaus of deep networks of sigmoids, which their scheme was made against.
Command: `plateau --experiment=autoencoder_mean --workdir=runs/autoencoder_mean`
Expected: from a start of 0.01 the loss stays at the variance of the images until epoch 50 (95 % CI 46–52),
in 12 of 12. From 0.1 it is epoch 14 (13–15), from Glorot's start 12 (11–13), a delay about as long as
the rise. Rectifiers have no plateau (epoch 2.3).
Time: half a minute on two cores.
"""

from plateau_engine import Arm, Study


def study() -> Study:
    """12 repetitions at two scales of a normal start, and with Glorot's."""
    small = Arm(
        dataset="digits",
        reconstruct=True,
        model="mlp",
        dense_widths=(64, 16, 64),
        activation="sigmoid",
        init="normal",
        init_scale=0.01,
        learning_rate=1e-3,
    )
    return Study(
        name="autoencoder_mean",
        question="How long does an autoencoder give back the mean image?",
        arms={
            "scale 0.01": small,
            "scale 0.1": small.replace(init_scale=0.1),
            "glorot": small.replace(init="glorot", init_scale=None),
            "relu": small.replace(activation="relu", init="glorot", init_scale=None),
        },
        seeds=12,
        epochs=100,
    )
