"""An application that knows nothing of callspan: a chat, a stream, a response, a tool call and an error."""

import os
from typing import Any

import openai

said = os.environ.get("SAID", "Why is the sky blue?")  # is everywhere where content can be
client: Any = openai.OpenAI(max_retries=0)
system, user = {"role": "system", "content": f"Be {said}"}, {"role": "user", "content": said}
schema = {"type": "object", "properties": {"query": {"const": said}}}
tool = {"type": "function", "function": {"name": "look_up", "description": said, "parameters": schema}}

print(client.chat.completions.create(model="gpt-4o-mini", messages=[system, user]).choices[0].message.content)
usage = {"include_usage": True}
for chunk in client.chat.completions.create(model="gpt-4o-mini", messages=[user], stream=True, stream_options=usage):
    print(chunk.choices[0].delta.content if chunk.choices else "")
print(client.responses.create(model="gpt-5-mini", instructions=said, input=f"{said} !reasoning").output_text)
asked = client.chat.completions.create(model="gpt-4o", messages=[user], tools=[tool]).choices[0].message
result = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": f"It is {said}"}
client.chat.completions.create(model="gpt-4o", messages=[user, asked, result], tools=[tool])
refused = {"role": "user", "content": f"!error 400 !say {said}"}
try:
    client.chat.completions.create(model="gpt-4o-mini", messages=[refused])
except openai.BadRequestError as error:
    print(error)
