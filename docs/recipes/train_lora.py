"""Teaches a small GGUF model to write handles: a LoRA adapter, trained on rows of chat messages.

Reads what `frontload export training` wrote, trains on the tokens of each row's last turn only, through the model's
own chat template, and leaves in OUT: `base/` (the weights dequantised, which the adapter's converter wants),
`checkpoint-N/` (an interrupted run goes on from the last) and `adapter/`.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the GGUF file that frontload runs")
    parser.add_argument("--data", type=Path, required=True, help="training rows, JSON lines with `messages`")
    parser.add_argument("--out", type=Path, required=True, help="folder for everything that is written")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--rows", type=int, default=0, help="train on so many rows, drawn by the seed [all]")
    parser.add_argument("--steps", type=int, default=-1, help="stop after so many steps, to time them [as epochs say]")
    parser.add_argument("--batch", type=int, default=8, help="rows a step")
    parser.add_argument("--rate", type=float, default=5e-4, help="highest learning rate")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=768, help="longer rows are left out")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="float32", help="of the frozen weights")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--save-every", type=int, default=25, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def dequantised(gguf: Path, folder: Path) -> None:
    """Writes the model as a folder of transformers, once."""
    if (folder / "done").exists():
        return
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(gguf.resolve().parent), "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    if not tokenizer.chat_template:
        raise SystemExit(f"{gguf} carries no chat template")
    plain = {"dtype": torch.float32, "quantization_config": GgufConfig(dequantize=True)}
    AutoModelForCausalLM.from_pretrained(**where, **plain).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "done").touch()


def main() -> None:
    args = arguments()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(args.threads)
    set_seed(args.seed)
    base = args.out / "base"
    dequantised(args.model, base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, args.dtype))

    messages = [json.loads(line)["messages"] for line in args.data.read_text(encoding="utf-8").splitlines()]
    length = lambda row: len(tokenizer.apply_chat_template(row, return_dict=False))
    kept = [row for row in messages if length(row) <= args.max_tokens]
    # A prompt and its completion: the loss is taken over the completion alone.
    rows = Dataset.from_list([{"prompt": row[:-1], "completion": row[-1:]} for row in kept])
    if args.rows:
        rows = rows.shuffle(seed=args.seed).select(range(min(args.rows, len(rows))))
    print(f"{len(rows)} rows; {len(messages) - len(kept)} left out, longer than {args.max_tokens} tokens", flush=True)

    everywhere = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        train_dataset=rows,
        peft_config=LoraConfig(
            r=args.rank, lora_alpha=2 * args.rank, target_modules=everywhere, task_type="CAUSAL_LM"
        ),
        args=SFTConfig(
            output_dir=str(args.out),
            num_train_epochs=args.epochs,
            max_steps=args.steps,
            per_device_train_batch_size=args.batch,
            train_sampling_strategy="group_by_length",
            learning_rate=args.rate,
            lr_scheduler_type="cosine",
            warmup_steps=10,
            max_length=args.max_tokens,
            completion_only_loss=True,
            gradient_checkpointing=False,
            bf16=args.dtype == "bfloat16",
            use_cpu=not torch.cuda.is_available(),
            logging_steps=5,
            save_steps=args.save_every,
            save_total_limit=2,
            seed=args.seed,
            report_to=[],
        ),
    )
    begun = time.monotonic()
    trainer.train(resume_from_checkpoint=any(args.out.glob("checkpoint-*")) or None)
    trainer.save_model(str(args.out / "adapter"))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    print(f"{time.monotonic() - begun:.0f} s of training, {spent.ru_utime + spent.ru_stime:.0f} s of processor in all, "
          f"at most {spent.ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
