#pragma once

#include "case.h"

namespace conopa::parity {

void check_illama_model(const Case& c, Outcome& out);         ///< forward, masks, other resolutions
void check_illama_training(const Case& c, Outcome& out);      ///< loss, gradients, optimiser steps
void check_illama_quantized(const Case& c, Outcome& out);     ///< learned step sizes
void check_illama_features(const Case& c, Outcome& out);      ///< segmentation feature maps
void check_illama_roadmap(const Case& c, Outcome& out);       ///< ablation models of one weight set
void check_illama_selection(const Case& c, Outcome& out);     ///< weight selection from a LLaMA
void check_visionllama(const Case& c, Outcome& out);          ///< plain, forward and gradients
void check_visionllama_line(const Case& c, Outcome& out);     ///< one-dimensional RoPE
void check_visionllama_pyramid(const Case& c, Outcome& out);  ///< windows and pooled keys
void check_mmpretrain_classifier(const Case& c, Outcome& out);  ///< fine-tuning model
void check_mae(const Case& c, Outcome& out);                    ///< pre-training, loss, gradients
void check_linear_probe(const Case& c, Outcome& out);           ///< batch norm, head, LARS
void check_aim_objective(const Case& c, Outcome& out);          ///< orders, pixel and token loss
void check_schedules(const Case& c, Outcome& out);              ///< values per optimiser step
void check_eval_transform(const Case& c, Outcome& out);         ///< resize, crop, normalise
void check_halving_crop(const Case& c, Outcome& out);           ///< crop of the diffusion models

void check_aim_probe(const Case& c, Outcome& out);        ///< AIMv1 with attentive probe
void check_aim_encoder(const Case& c, Outcome& out);      ///< encoder, prefixes, gradients
void check_aim_native(const Case& c, Outcome& out);       ///< any resolution
void check_aim_pair(const Case& c, Outcome& out);         ///< image and text towers
void check_aim_pretraining(const Case& c, Outcome& out);  ///< next patch, loss, gradients
void check_aim_captions(const Case& c, Outcome& out);     ///< next patch and next word
void check_aim_steps(const Case& c, Outcome& out);        ///< schedule and AdamW steps
void check_attention_probe(const Case& c, Outcome& out);  ///< several queries, batch statistics
void check_lora(const Case& c, Outcome& out);             ///< low-rank branches

void check_vit_llama(const Case& c, Outcome& out);            ///< image model, forward
void check_vit_llama_gradients(const Case& c, Outcome& out);  ///< frozen block, AdamW step
void check_opt_block(const Case& c, Outcome& out);            ///< one layer of OPT
void check_language_padding(const Case& c, Outcome& out);     ///< padded keys
void check_filter_analysis(const Case& c, Outcome& out);      ///< activation maps, pseudo-masks

void check_point_bert(const Case& c, Outcome& out);  ///< point clouds: groups to logits

}  // namespace conopa::parity
