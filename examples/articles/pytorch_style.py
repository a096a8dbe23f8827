"""A PyTorch script in which only the import lines are other ones.

With PyTorch the first four would be

    import torch
    from torch import nn, optim
    from torch.utils.data import DataLoader, TensorDataset
    from pullback.data import load_digits, load_idx_folder

The test suite makes exactly this change, and from the same weights PyTorch prints the same lines.

Usually told wrong: (1) a softmax at the end of `forward` in front of CrossEntropyLoss, which contains one
already: the network learns through two, slowly; (2) the test loss as the mean of the batches' means, in which
the samples of a smaller last batch weigh more. Here each sample weighs the same.

Reached: 79.9 % of the test digits after the usual ten epochs at learning rate 0.01, which on 1,438 images
are only 230 steps; 91.9 % with --lr 0.1. With PyTorch, from the same weights: the same losses to 1e-5.
"""

import argparse

import pullback as torch
from pullback import nn, optim
from pullback.data import ArrayDataset as TensorDataset
from pullback.data import DataLoader, load_digits, load_idx_folder

device = torch.device("cpu")


class MLP(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x):
        x = self.flatten(x)
        x = torch.tanh(self.fc1(x))
        return self.fc2(x)


def read(folder=None):
    """Training and test data: the IDX files of MNIST in a folder, or the digits that come with pullback."""
    if folder is None:
        parts = [load_digits(split, flatten=False) for split in ("train", "test")]
    else:
        parts = [((x / 255).astype("float32"), y.astype("int64")) for x, y in load_idx_folder(folder)]
    return [TensorDataset(torch.tensor(images), torch.tensor(labels)) for images, labels in parts]


def train(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        X, y = X.to(device), y.to(device)

        pred = model(X)
        loss = loss_fn(pred, y)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        if batch % 100 == 0:
            print(f"loss: {loss.item():.6f}  [{batch * dataloader.batch_size + len(X):5d}/{size:5d}]")


def evaluate(dataloader, model, loss_fn):
    size = len(dataloader.dataset)
    model.eval()
    test_loss, correct = 0.0, 0
    with torch.no_grad():
        for X, y in dataloader:
            X, y = X.to(device), y.to(device)
            pred = model(X)
            test_loss += loss_fn(pred, y).item() * len(X)
            correct += (pred.argmax(1) == y).sum().item()
    test_loss, accuracy = test_loss / size, correct / size
    print(f"test loss: {test_loss:.6f}, accuracy: {100 * accuracy:.1f} %")
    return test_loss, accuracy


GOALS = {"test accuracy": (">=", 0.779)}


def main(folder=None, epochs=10, lr=0.01, hidden=128):
    torch.random.manual_seed(0)
    training_data, test_data = read(folder)
    train_dataloader = DataLoader(training_data, batch_size=64, shuffle=True)
    test_dataloader = DataLoader(test_data, batch_size=64)

    image, _ = training_data[0]
    model = MLP(image.shape[0] * image.shape[1], hidden, 10).to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=lr)

    history = []
    for epoch in range(epochs):
        print(f"Epoch {epoch + 1}")
        train(train_dataloader, model, loss_fn, optimizer)
        history.append(evaluate(test_dataloader, model, loss_fn))
    figures = {"test_loss": [loss for loss, _ in history], "accuracy": [accuracy for _, accuracy in history]}
    return figures | {"test accuracy": history[-1][1] if history else float("nan")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a network on handwritten digits.")
    parser.add_argument("--data", metavar="FOLDER", help="a folder with the four IDX files of MNIST")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.01)
    options = parser.parse_args()
    main(options.data, options.epochs, options.lr)
