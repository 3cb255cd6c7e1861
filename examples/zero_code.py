"""An application that knows nothing of callspan.

opentelemetry-instrument python examples/zero_code.py
callspan ls
"""

from openai import OpenAI

client = OpenAI()  # OPENAI_API_KEY and OPENAI_BASE_URL from the environment
answer = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Why is the sky blue?"}],
)
print(answer.choices[0].message.content)
