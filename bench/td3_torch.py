#!/usr/bin/python3
"""The update of bench/td3.c in PyTorch, measured by it in turn with its own.

apt-get install python3-torch puts it beside ours; nothing else needs it.
"""
import sys
import time

try:
    import torch
    from torch import nn
except ImportError:
    print("skipped: apt-get install python3-torch puts PyTorch beside it")
    sys.exit(0)

STATES, HIDDEN, BATCH, REPLAY = 70, 256, 512, 100000
GAMMA, TAU = 0.995, 0.001
WINDOW, WARM = 10, 20


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for inputs in (STATES, HIDDEN):
            layers += [nn.Linear(inputs, HIDDEN),
                       nn.BatchNorm1d(HIDDEN, eps=1e-3, momentum=0.01, affine=True),
                       nn.LeakyReLU(0.2)]
            layers[-2].weight.requires_grad = False
        self.net = nn.Sequential(*layers, nn.Linear(HIDDEN, 1), nn.Tanh())

    def forward(self, s):
        return self.net(s)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(STATES, HIDDEN), nn.Linear(HIDDEN + 1, HIDDEN)
        self.last, self.relu = nn.Linear(HIDDEN, 1), nn.LeakyReLU(0.2)

    def forward(self, s, a):
        h = self.relu(self.first(s))
        return self.last(self.relu(self.second(torch.cat([h, a], 1))))


class Learner:
    def __init__(self):
        self.actor, self.target = Actor(), Actor()
        self.critics = [Critic(), Critic()]
        self.targets = [Critic(), Critic()]
        self.target.eval()
        self.actor_step = torch.optim.Adam([p for p in self.actor.parameters() if p.requires_grad], 1e-4)
        self.critic_step = torch.optim.Adam([p for c in self.critics for p in c.parameters()], 1e-3)
        self.s = torch.rand(REPLAY, STATES)
        self.a = torch.rand(REPLAY, 1) * 2 - 1
        self.r = torch.rand(REPLAY, 1)

    def update(self):
        at = torch.randint(0, REPLAY - 1, (BATCH,))
        s0, s1, a, r = self.s[at], self.s[at + 1], self.a[at], self.r[at]
        with torch.no_grad():
            noise = (torch.randn(BATCH, 1) * 0.1).clamp(-0.2, 0.2)
            a1 = (self.target(s1) + noise).clamp(-1, 1)
            y = r + GAMMA * torch.min(self.targets[0](s1, a1), self.targets[1](s1, a1))
        loss = sum(nn.functional.mse_loss(c(s0, a), y) for c in self.critics)
        self.critic_step.zero_grad()
        loss.backward()
        self.critic_step.step()
        for p in self.critics[0].parameters():
            p.requires_grad = False
        loss = -self.critics[0](s0, self.actor(s0)).mean()
        self.actor_step.zero_grad()
        loss.backward()
        self.actor_step.step()
        for p in self.critics[0].parameters():
            p.requires_grad = True
        with torch.no_grad():
            for to, of in zip([self.target] + self.targets, [self.actor] + self.critics):
                for t, p in zip(to.state_dict().values(), of.state_dict().values()):
                    if t.dtype == torch.float32:
                        t.add_(p - t, alpha=TAU)


# A line with a number of threads asks for a window: answered by its updates per second.
learners = {}
print(f"PyTorch {torch.__version__}", flush=True)
for line in sys.stdin:
    threads = int(line)
    torch.set_num_threads(threads)
    if threads not in learners:
        learners[threads] = Learner()
        for _ in range(WARM):
            learners[threads].update()
    learner = learners[threads]
    learner.update()
    start = time.perf_counter()
    for _ in range(WINDOW):
        learner.update()
    print(WINDOW / (time.perf_counter() - start), flush=True)
