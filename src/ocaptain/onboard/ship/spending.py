"""What an agent's session costs, as far as is known."""


class Spending:
    """Adds up what was said to be spent, in US dollars.

    A turn that is cut short has no total. Until one comes, what its messages cost at least counts.
    """

    def __init__(self) -> None:
        self._earlier_processes = 0.0
        self._process = 0.0
        self._messages: dict[str, float] = {}

    def add_message(self, mark: str, usd: float) -> None:
        """Note what a message, called `mark`, costs at least."""
        self._messages[mark] = usd

    def end_turn(self, usd: float) -> None:
        """Note what the process says that it has spent so far; 0 if it does not say."""
        if usd:
            self._process = usd
            self._messages.clear()

    def end_process(self) -> None:
        """Begin to count for another process."""
        self._earlier_processes = self.total()
        self._process = 0.0
        self._messages.clear()

    def total(self) -> float:
        """Return what the session has spent."""
        return self._earlier_processes + self._process + sum(self._messages.values())
