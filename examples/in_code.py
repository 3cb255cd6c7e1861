"""callspan set up by the application itself: two sinks, one of them without content.

GENERIC_LOGGER_ENDPOINT=http://127.0.0.1:8080/logs python examples/in_code.py
"""

from openai import OpenAI

import callspan

callspan.configure(
    callbacks=["local", "generic_api"],
    callback_settings={"generic_api": {"message_logging": False}},  # the webhook gets no prompts and no answers
)

client = OpenAI()
with callspan.context(user="alice", session_id="chat-7", tags=["example"], metadata={"generation_name": "greeting"}):
    answer = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello to Alice."}]
    )
    print(answer.choices[0].message.content)
    print("call id:", callspan.call_id(answer))

report = callspan.flush(timeout_s=10)
for name, sink in report.sinks.items():
    print(f"{name}: offered {sink.offered}, delivered {sink.delivered}")
