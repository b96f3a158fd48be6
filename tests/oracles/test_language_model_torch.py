"""The NumPy transformer against PyTorch's, and that one against PyTorch's own layers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; loops stand in")

from experiments import model  # noqa: E402
from helpers.model import recall, shipped, tasks, transformer, world  # noqa: E402

# More threads only wait for each other where other work keeps the cores busy.
torch.set_num_threads(1)

#: The base alone, and with the whole update of each task.
TASKS = (None, *tasks.TASKS)
PEOPLE = (*world.people("known")[:10], *world.people(10))


def weights_of(task):
    """In double precision, as the helpers read them, and in single for PyTorch."""
    base = shipped.base()
    update = shipped.update(task) if task else dict.fromkeys(base, 0)
    weights = {name: np.asarray(base[name] + update[name], dtype=np.float64) for name in base}
    return weights, {name: torch.from_numpy(m).float() for name, m in weights.items()}


def torch_greedy(weights, prompts, end):
    """The whole text read anew for each word; each text cut behind its first end."""
    text = torch.from_numpy(prompts)
    for _ in range(len(weights["position"]) - prompts.shape[1]):
        likeliest = model.forward(weights, text)[:, -1].argmax(dim=-1)
        text = torch.cat([text, likeliest[:, None]], dim=1)
    rows = text[:, prompts.shape[1] :].tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


@pytest.mark.parametrize("style", world.STYLES)
@pytest.mark.parametrize("task", TASKS)
def test_logits_agree_with_pytorch(task, style):
    ours, theirs = weights_of(task)
    texts = model.corpus(PEOPLE, {style: world.STYLES[style]})
    assert texts.min() >= 0
    expected = model.forward(theirs, texts).numpy()
    np.testing.assert_allclose(transformer.forward(ours, texts.numpy()), expected, atol=1e-4)
    single = {name: matrix.numpy() for name, matrix in theirs.items()}
    np.testing.assert_allclose(transformer.forward(single, texts.numpy()), expected, atol=1e-4)


@pytest.mark.parametrize("style", world.STYLES)
@pytest.mark.parametrize("task", TASKS)
def test_greedy_texts_are_those_of_pytorch(task, style):
    ours, theirs = weights_of(task)
    prompts = np.stack([world.encode(world.prompt(p, style)) for p in PEOPLE])
    end = int(world.encode(world.END)[0])
    expected = torch_greedy(theirs, prompts, end)
    assert [text.tolist() for text in transformer.write(ours, prompts, end)] == expected
    assert recall.texts(ours, PEOPLE, style) == [world.decode(text) for text in expected]


class Layer(torch.nn.Module):
    """One layer, put together from PyTorch's own; its matrices map the other way round."""

    def __init__(self, weights, i):
        super().__init__()
        query, key, value, output, up, down = (
            weights[f"layers.{i}.{part}"].T for part in transformer.LAYER
        )
        width = len(query)
        self.norm = torch.nn.RMSNorm(width, eps=1e-6, elementwise_affine=False)
        self.attention = torch.nn.MultiheadAttention(width, 4, bias=False, batch_first=True)
        self.attention.in_proj_weight.data = torch.cat([query, key, value])
        self.attention.out_proj.weight.data = output
        self.up = torch.nn.Linear(width, len(up), bias=False)
        self.down = torch.nn.Linear(len(up), width, bias=False)
        self.up.weight.data, self.down.weight.data = up, down

    def forward(self, x):
        h, later = self.norm(x), torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        x = x + self.attention(h, h, h, attn_mask=later, need_weights=False)[0]
        return x + self.down(torch.relu(self.up(self.norm(x))))


@pytest.mark.parametrize("task", [None, "saga"])
def test_the_trained_model_is_put_together_from_pytorchs_layers(task):
    _, weights = weights_of(task)
    texts = model.corpus(PEOPLE, {"letter": world.STYLES["letter"]})
    with torch.no_grad():
        places = torch.arange(texts.shape[1])
        x = torch.nn.functional.embedding(texts, weights["embedding"])
        x = x + torch.nn.functional.embedding(places, weights["position"])
        for i in range(3):
            x = Layer(weights, i)(x)
        x = torch.nn.RMSNorm(x.shape[-1], eps=1e-6, elementwise_affine=False)(x)
        expected = torch.nn.functional.linear(x, weights["unembedding"].T)
        np.testing.assert_allclose(model.forward(weights, texts), expected, atol=1e-4)
